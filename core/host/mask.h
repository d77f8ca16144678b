/* SPDX-License-Identifier: Apache-2.0 */
/* A set of secret texts, and replacing each of them in what people read. One thread at a time. */
#ifndef PV_HOST_MASK_H
#define PV_HOST_MASK_H

#include "core/base/buf.h"

struct pv_mask {
    struct pv_str *items; /* owned copies, the longest first */
    size_t count;
    size_t size;
    bool blind; /* a secret could not be remembered: no text may be shown at all */
};

void pv_mask_init(struct pv_mask *mask);
void pv_mask_done(struct pv_mask *mask); /* wipes */
/* Remembers a secret, and how it looks inside JSON and inside a URL. "" is ignored. When memory
 * runs out the mask goes blind. */
void pv_mask_add(struct pv_mask *mask, struct pv_str secret);
/* Appends text with each secret of either set (b may be NULL) as "******", at most max bytes, cut
 * on a character; bytes that are not UTF-8 become '?'. */
void pv_mask_text(const struct pv_mask *a, const struct pv_mask *b, struct pv_str text, size_t max,
                  struct pv_buf *out);
/* For a text that snprintf put into size bytes, before it is masked: its length, when it fills them
 * (it was cut) without what may be the first part of a secret of either set (b may be NULL). */
size_t pv_mask_uncut(const struct pv_mask *a, const struct pv_mask *b, const char *text,
                     size_t size);

#endif
