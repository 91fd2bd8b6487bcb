/* SPDX-License-Identifier: Apache-2.0 */
/*
 * fairlead train --quality: prompts with the score of each model -> heads and pair (route/quality).
 *
 * Lines of {"prompt": ..., "scores": {"model": 0..1, ...}}, and when given "source" (where the row
 * is from: whole sources are then held out). A model that a row does not name was not asked.
 */
#ifndef FL_CLI_TRAIN_QUALITY_H
#define FL_CLI_TRAIN_QUALITY_H

/* The arguments of `fairlead train` from argv[1] on: --quality FILE (repeatable), --output FILE,
 * [--strong MODEL] [--weak MODEL] [--bits N] [--seed N]. Returns an exit code. */
int fl_cli_train_quality(int argc, char **argv);

#endif
