/* SPDX-License-Identifier: Apache-2.0 */
/* A shared object that is no plugin. */
int nothing_here(void);

__attribute__((visibility("default"))) int nothing_here(void)
{
    return 0;
}
