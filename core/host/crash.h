/* SPDX-License-Identifier: Apache-2.0 */
/* Naming the culprit when a plugin takes the process down: one log line, and the call's number on
 * the status page. The daemon learns the rest from the page. */
#ifndef PV_HOST_CRASH_H
#define PV_HOST_CRASH_H

#include "core/wire/page.h"

/* Handlers for SIGSEGV, SIGBUS, SIGFPE, SIGILL and SIGABRT on a stack of their own, and a note when
 * a plugin calls exit. For provost-host; once. Under a sanitizer its own handlers stay. */
void pv_crash_install(void);
/* This thread runs plugin code of `call` from now on; call 0: it does no more. label is borrowed
 * until then. */
void pv_crash_enter(struct pv_page *page, uint64_t call, const char *label);
/* Gives a thread of the pool its own signal stack; once a thread. */
void pv_crash_thread(void);

#endif
