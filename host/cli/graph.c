// SPDX-License-Identifier: Apache-2.0
// graph: the tasks of a pipeline and who waits for whom.
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "cli/exit.h"
#include "cli/faults.h"
#include "cli/graph_format.h"
#include "cli/load.h"
#include "cli/occurrences.h"
#include "cli/project.h"
#include "cli/verbs.h"
#include "cli/view.h"

enum graph_format { FORMAT_TEXT, FORMAT_DOT, FORMAT_JSON, FORMAT_MERMAID, FORMAT_SVG };

enum { NEXT_COUNT = 3 };

static const char *const format_choices[] = {"text", "dot", "json", "mermaid", "svg", NULL};

static const char *text_of(const json_t *object, const char *name) {
  const char *text = json_string_value(json_object_get(object, name));
  return text ? text : "";
}

// Each tg.cron, and when it fires next: {"expr", "tz", "next": [instants]}.
static json_t *schedules_json(const struct tg_plan *plan) {
  json_t *schedules = json_array();
  for (size_t i = 0; i < json_array_size(plan->triggers); i++) {
    const json_t *cron = json_array_get(plan->triggers, i);
    int64_t at[NEXT_COUNT];
    size_t count = 0;
    if (strcmp(text_of(cron, "kind"), "cron") != 0) continue;
    tg_occurrences_next(cron, tg_clock_wall_ms(tg_clock_system()), at, NEXT_COUNT, &count, NULL);
    json_t *next = json_array();
    for (size_t n = 0; n < count; n++) json_array_append_new(next, tg_view_time_json(at[n]));
    json_array_append_new(schedules, json_pack("{s:s, s:s, s:o}", "expr", text_of(cron, "expr"),
                                               "tz", text_of(cron, "tz"), "next", next));
  }
  return schedules;
}

static void schedules_put(const struct tg_plan *plan, struct tg_buf *out) {
  json_t *schedules = schedules_json(plan);
  for (size_t i = 0; i < json_array_size(schedules); i++) {
    const json_t *one = json_array_get(schedules, i), *next = json_object_get(one, "next");
    tg_buf_putf(out, "\ncron \"%s\" (%s), next:", text_of(one, "expr"), text_of(one, "tz"));
    for (size_t n = 0; n < json_array_size(next); n++)
      tg_buf_putf(out, "%s%.19sZ", n ? ", " : " ", json_string_value(json_array_get(next, n)));
    tg_buf_puts(out, json_array_size(next) ? "\n" : " never\n");
  }
  json_decref(schedules);
}

static int plan_print(const struct tg_plan *plan, enum graph_format format,
                      const struct tg_output *output) {
  if (format == FORMAT_JSON) {
    json_t *graph = tg_graph_format_json(plan);
    if (graph) json_object_set_new(graph, "schedules", schedules_json(plan));
    return tg_output_document(output, json_pack("{s:o}", "graph", graph));
  }
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
  if (!code && format == FORMAT_TEXT) schedules_put(plan, &text);
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
    .prose = "PIPELINE is a name in the project or a path. Below the tasks it is said when its\n"
             "tg.cron fires next, in UTC.",
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
