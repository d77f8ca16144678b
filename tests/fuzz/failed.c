/* SPDX-License-Identifier: Apache-2.0 */
/* Ends a fuzz target at a property that does not hold. */
#include "tests/fuzz/fuzz.h"

#include <stdio.h>
#include <stdlib.h>

_Noreturn void fuzz_failed(const char *condition, const char *file, int line)
{
    fprintf(stderr, "%s:%d: does not hold: %s\n", file, line, condition);
    abort();
}
