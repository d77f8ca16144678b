/* SPDX-License-Identifier: Apache-2.0 */
/* Writes docs/configuration.md to standard output, for tools/gen-config-docs. */
#include "core/config/config.h"

#include <stdio.h>

int main(void)
{
    struct pv_buf page;
    pv_buf_init(&page, 1u << 20);
    int status = pv_config_manual(&page);
    size_t written = status == PV_OK ? fwrite(page.ptr, 1, page.len, stdout) : 0;
    bool good = status == PV_OK && written == page.len && fflush(stdout) == 0;
    pv_buf_done(&page);
    return good ? 0 : 1;
}
