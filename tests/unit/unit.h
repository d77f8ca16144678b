/* SPDX-License-Identifier: Apache-2.0 */
/* What every unit test includes first: cmocka with the headers it wants. */
#ifndef PV_TESTS_UNIT_H
#define PV_TESTS_UNIT_H

/* cmocka.h needs these before it. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#define PV_COUNT(array) (sizeof(array) / sizeof((array)[0]))

#endif
