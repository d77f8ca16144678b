/* SPDX-License-Identifier: Apache-2.0 */
#include "core/api/internal.h"
const struct pv_route pv_routes_compat[] = {
    {NULL, NULL, 0, 0, NULL, 0},
};
