/* SPDX-License-Identifier: Apache-2.0 */
/* The world's planner: three products, see world.h. */
#ifndef PV_TESTS_SIM_WORLD_PLAN_H
#define PV_TESTS_SIM_WORLD_PLAN_H

#include "tests/sim/world.h"

struct pv_planner world_planner(struct world *world);

#endif
