/* SPDX-License-Identifier: Apache-2.0 */
/* ${file:PATH}, ${env:NAME} and ${credential:NAME} inside a text; "$${" stands for "${". Reads
 * files and the environment each time. Any thread. */
#ifndef PV_CONFIG_REFERENCE_H
#define PV_CONFIG_REFERENCE_H

#include "core/base/buf.h"

#define PV_REFERENCE_MAX 65536 /* bytes of a text after its references were read */

/* There is a "${" in it (also an escaped one). */
bool pv_reference_in(struct pv_str text);
/* Appends the text with its references replaced. Relative files are below base_dir. One line end at
 * the end of a file is dropped. PV_EINVAL, PV_ENOTFOUND, PV_EIO or PV_EDENIED with the sentence in
 * err, which never holds what was read. */
int pv_reference_expand(struct pv_str text, struct pv_str base_dir, struct pv_buf *out,
                        struct pv_err *err) PV_MUST_CHECK;
/* Reads a regular file of at most max bytes (PV_ETOOBIG) into out. */
int pv_file_read(const char *path, size_t max, struct pv_buf *out,
                 struct pv_err *err) PV_MUST_CHECK;

#endif
