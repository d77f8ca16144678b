/* SPDX-License-Identifier: Apache-2.0 */
/* A plugin that forgot its name. */
#include <provost/plugin.h>

static const struct provost_plugin unnamed = {PROVOST_PLUGIN_HEAD, .summary = "Nobody."};

PROVOST_PLUGIN(unnamed)
