/* SPDX-License-Identifier: Apache-2.0 */
/* Bytes that must not be printed: opaque, zeroed when freed. One thread at a time. */
#ifndef PV_BASE_SECRET_H
#define PV_BASE_SECRET_H

#include "core/base/str.h"

struct pv_secret;

/* Copies. NULL when out of memory. */
struct pv_secret *pv_secret_new(struct pv_str bytes);
void pv_secret_free(struct pv_secret *secret);
/* Borrowed until it is freed. The name is long so that a review sees it. */
struct pv_str pv_secret_expose(const struct pv_secret *secret);
/* Zeroes memory that the compiler may not skip. */
void pv_wipe(void *ptr, size_t len);

#endif
