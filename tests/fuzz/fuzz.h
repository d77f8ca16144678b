/* SPDX-License-Identifier: Apache-2.0 */
/* What a fuzz target defines. libFuzzer (tests/fuzz/run) or replay.c (the suite `fuzz`) calls it.
 */
#ifndef PV_TESTS_FUZZ_H
#define PV_TESTS_FUZZ_H

#include "core/base/buf.h"

/* Runs the parser over the bytes and aborts when something that must hold does not. Returns 0. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
/* Puts the n-th input to begin with into out; false: there are no more. */
bool fuzz_seed(size_t n, struct pv_buf *out);

/* The bytes with a NUL behind them; goes to free(). */
char *fuzz_text(const uint8_t *data, size_t size);

/* As assert, whatever NDEBUG says. */
#define FUZZ_CHECK(condition) ((condition) ? (void)0 : fuzz_failed(#condition, __FILE__, __LINE__))
_Noreturn void fuzz_failed(const char *condition, const char *file, int line);

#endif
