// SPDX-License-Identifier: Apache-2.0
// Child runs: what `tg.run` starts. A child is found by its key, which says what it was started
// for, so an attempt that is repeated finds the run that an earlier one started, in whatever state.
//
//   ask -> known and live            -> wait for its end
//       -> known and ended           -> told at once
//       -> known and not finished    -> resumed with the bundle it began with
//       -> not known                 -> built, created, and waited for
#pragma once

#include "worker/asks.h"

struct tg_subruns;

struct tg_subruns *tg_subruns_new(const struct tg_services *services, struct tg_asks *asks,
                                  struct tg_bundles *bundles);

/// Forgets every child.
void tg_subruns_free(struct tg_subruns *subruns);

struct tg_subrun_question {
  const char *pipeline, *params; // name; JSON object
  const char *partition;         // of the child; "" for the parent's, if the child has it
  const struct tg_run *of;       // the parent, whose logical date and interval the child has
  const json_t *secrets;         // of the parent's parameters: name -> place
  const char *parent, *key;      // id of the parent run; what the child is started for
  int64_t deadline_at;           // of whoever waits for its end, on the wall clock; 0 for none
  bool is_waiting;               // for its end, else for its beginning
};

/// Is told what became of the child: {"run", "state", "outputs": {task: value}} as JSON, or an
/// error.
typedef void tg_subruns_answer(void *self, const struct tg_error *err, const char *answer);

/// Asks for a child. `answer` is called once, from the loop or before this returns.
///
/// Shape:  returns a number for tg_subruns_forget; 0 when it was answered at once
/// Errors: through `answer`: TG_ENOT_FOUND, TG_EINVALID (faults, parameters), TG_EDENIED (secrets),
///         TG_ELIMIT
uint64_t tg_subruns_ask(struct tg_subruns *subruns, const struct tg_subrun_question *question,
                        tg_subruns_answer *answer, void *self);

/// Takes a question back without an answer; `has_to_end` cancels the child.
void tg_subruns_forget(struct tg_subruns *subruns, uint64_t question, bool has_to_end);

/// Takes up the child runs that an earlier host left of a run that is resumed, and those below
/// them: what ran goes on first, then what was queued, in its order. With `is_stopped` they are
/// taken up only to be cancelled.
///
/// Shape:  the id of the run
void tg_subruns_resume(struct tg_subruns *subruns, const char *parent, bool is_stopped);

/// Are told by the conductor.
void tg_subruns_begun(struct tg_subruns *subruns, const struct tg_live_run *run);
void tg_subruns_ended(struct tg_subruns *subruns, const struct tg_live_run *run);
