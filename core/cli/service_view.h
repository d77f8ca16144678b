/* SPDX-License-Identifier: Apache-2.0 */
/* Shows the view of a service. */
#ifndef PV_CLI_SERVICE_VIEW_H
#define PV_CLI_SERVICE_VIEW_H

#include "core/cli/out.h"

/* answer: of GET /v1/services/{id}/view. 0 or PV_ENOMEM. */
int pv_cli_print_service_view(const struct pv_out *out, const json_t *answer) PV_MUST_CHECK;

#endif
