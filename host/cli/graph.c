// SPDX-License-Identifier: Apache-2.0
// graph: the tasks of a pipeline and who waits for whom.
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "cli/exit.h"
#include "cli/faults.h"
#include "cli/graph_format.h"
#include "cli/load.h"
#include "cli/project.h"
#include "cli/verbs.h"

enum graph_format { FORMAT_TEXT, FORMAT_DOT, FORMAT_JSON, FORMAT_MERMAID, FORMAT_SVG };

static const char *const format_choices[] = {"text", "dot", "json", "mermaid", "svg", NULL};

static int plan_print(const struct tg_plan *plan, enum graph_format format,
                      const struct tg_output *output) {
  if (format == FORMAT_JSON)
    return tg_output_document(output, json_pack("{s:o}", "graph", tg_graph_format_json(plan)));
  struct tg_buf text;
  struct tg_error err;
  int code = TG_OK;
  tg_buf_init(&text, SIZE_MAX / 2);
  if (format == FORMAT_DOT)
    tg_graph_format_dot(plan, &text);
  else if (format == FORMAT_MERMAID)
    tg_graph_format_mermaid(plan, &text);
  else
    code = tg_graph_format_text(plan, output, &text, &err);
  int exit_code = code ? tg_exit_report(&err) : tg_output_text(&text);
  tg_buf_deinit(&text);
  return exit_code;
}

static int pipeline_print(const struct tg_project *project, const char *name,
                          enum graph_format format, const struct tg_output *output) {
  struct tg_loaded loaded = {0};
  struct tg_plan *plan = NULL;
  struct tg_error err;
  int exit_code;
  int code = tg_load_pipeline(project, name, &loaded, &err);
  if (!code && loaded.plan) code = tg_plan_parse(loaded.plan, strlen(loaded.plan), &plan, &err);
  if (code)
    exit_code = tg_exit_report(&err);
  else if (plan)
    exit_code = plan_print(plan, format, output);
  else
    exit_code = tg_faults_report(loaded.faults);
  tg_plan_free(plan);
  tg_loaded_deinit(&loaded);
  return exit_code;
}

static int graph_run(const struct tg_args *args) {
  struct tg_output output = tg_output_of(args, STDOUT_FILENO);
  int wanted = output.format == TG_FORMAT_TEXT ? FORMAT_TEXT : FORMAT_JSON;
  enum graph_format format = (enum graph_format)tg_args_choice(args, "format", wanted);
  if (format == FORMAT_SVG) {
    fputs("tidegate: svg is not part of this version; with Graphviz: "
          "tidegate graph PIPELINE --format dot | dot -Tsvg\n",
          stderr);
    return TG_EXIT_USAGE;
  }
  struct tg_project project;
  int exit_code = tg_load_project(&project, args);
  if (exit_code) return exit_code;
  exit_code = pipeline_print(&project, tg_args_word(args, 0), format, &output);
  tg_project_deinit(&project);
  return exit_code;
}

const struct tg_verb tg_verb_graph = {
    .name = "graph",
    .arguments = "PIPELINE",
    .arguments_min = 1,
    .arguments_max = 1,
    .summary = "show the tasks of a pipeline and who waits for whom",
    .prose = "PIPELINE is a name in the project or a path.",
    .options =
        (const struct tg_option[]){
            {"format", 0, TG_OPTION_CHOICE, "FORMAT", "text, dot, json or mermaid", format_choices,
             NULL},
            {NULL, 0, TG_OPTION_FLAG, NULL, NULL, NULL, NULL},
        },
    .examples =
        (const struct tg_example[]){
            {"graph packages", "for a person"},
            {"graph packages --format dot | dot -Tsvg > packages.svg", "a picture, with Graphviz"},
            {"graph packages --format mermaid", "for a Markdown page"},
            {NULL, NULL},
        },
    .run = graph_run,
};
