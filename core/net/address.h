/* SPDX-License-Identifier: Apache-2.0 */
/* Which addresses are not the public Internet, by the IANA special-purpose address registries
 * (iana-ipv4-special-registry, iana-ipv6-special-registry). Any thread. */
#ifndef PV_NET_ADDRESS_H
#define PV_NET_ADDRESS_H

#include <stdbool.h>

struct sockaddr;

enum pv_address_kind {
    PV_ADDRESS_PUBLIC,
    PV_ADDRESS_PRIVATE,    /* private, loopback, shared, reserved, documentation, multicast, … */
    PV_ADDRESS_LINK_LOCAL, /* among them where clouds serve credentials: 169.254.169.254 */
};

/* Of AF_INET and AF_INET6; any other family is private. An IPv6 address that holds an IPv4 address
 * (mapped, compatible, translated, 6to4) is what that one is. */
enum pv_address_kind pv_address_kind(const struct sockaddr *address);

#endif
