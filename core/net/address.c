/* SPDX-License-Identifier: Apache-2.0 */
/* The registries as tables of prefixes. What they list as globally reachable is public. */
#include "core/net/address.h"

#include <netinet/in.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <sys/socket.h>

struct prefix {
    uint8_t bytes[16];
    unsigned bits;
    enum pv_address_kind kind;
};

static const struct prefix v4[] = {
    {{192, 0, 0, 9}, 32, PV_ADDRESS_PUBLIC},  /* port control anycast */
    {{192, 0, 0, 10}, 32, PV_ADDRESS_PUBLIC}, /* TURN anycast */
    {{0}, 8, PV_ADDRESS_PRIVATE},             /* this network */
    {{10}, 8, PV_ADDRESS_PRIVATE},            /* private use */
    {{100, 64}, 10, PV_ADDRESS_PRIVATE},      /* shared address space */
    {{127}, 8, PV_ADDRESS_PRIVATE},           /* loopback */
    {{169, 254}, 16, PV_ADDRESS_LINK_LOCAL},  /* link local */
    {{172, 16}, 12, PV_ADDRESS_PRIVATE},      /* private use */
    {{192, 0, 0}, 24, PV_ADDRESS_PRIVATE},    /* IETF protocol assignments */
    {{192, 0, 2}, 24, PV_ADDRESS_PRIVATE},    /* documentation */
    {{192, 88, 99}, 24, PV_ADDRESS_PRIVATE},  /* 6to4 relay anycast, deprecated */
    {{192, 168}, 16, PV_ADDRESS_PRIVATE},     /* private use */
    {{198, 18}, 15, PV_ADDRESS_PRIVATE},      /* benchmarking */
    {{198, 51, 100}, 24, PV_ADDRESS_PRIVATE}, /* documentation */
    {{203, 0, 113}, 24, PV_ADDRESS_PRIVATE},  /* documentation */
    {{224}, 4, PV_ADDRESS_PRIVATE},           /* multicast */
    {{240}, 4, PV_ADDRESS_PRIVATE},           /* reserved, limited broadcast */
};

static const struct prefix v6[] = {
    {{0x01, 0}, 64, PV_ADDRESS_PRIVATE},                     /* discard only: 100::/64 */
    {{0x01, 0, 0, 0, 0, 0, 0, 1}, 64, PV_ADDRESS_PRIVATE},   /* dummy prefix */
    {{0, 0x64, 0xff, 0x9b, 0, 1}, 48, PV_ADDRESS_PRIVATE},   /* local translation */
    {{0x20, 0x01, 0, 1, [15] = 1}, 128, PV_ADDRESS_PUBLIC},  /* port control anycast */
    {{0x20, 0x01, 0, 1, [15] = 2}, 128, PV_ADDRESS_PUBLIC},  /* TURN anycast */
    {{0x20, 0x01, 0, 3}, 32, PV_ADDRESS_PUBLIC},             /* AMT */
    {{0x20, 0x01, 0, 4, 0x01, 0x12}, 48, PV_ADDRESS_PUBLIC}, /* AS112 */
    {{0x20, 0x01, 0, 0x20}, 28, PV_ADDRESS_PUBLIC},          /* ORCHIDv2 */
    {{0x20, 0x01, 0, 0x30}, 28, PV_ADDRESS_PUBLIC},          /* drone remote id */
    {{0x20, 0x01}, 23, PV_ADDRESS_PRIVATE},                  /* protocols, Teredo */
    {{0x20, 0x01, 0x0d, 0xb8}, 32, PV_ADDRESS_PRIVATE},      /* documentation */
    {{0x3f, 0xff}, 20, PV_ADDRESS_PRIVATE},                  /* documentation */
    {{0x5f}, 16, PV_ADDRESS_PRIVATE},                        /* segment routing */
    {{0xfc}, 7, PV_ADDRESS_PRIVATE},                         /* unique local */
    {{0xfe, 0x80}, 10, PV_ADDRESS_LINK_LOCAL},               /* link local */
    {{0xfe, 0xc0}, 10, PV_ADDRESS_PRIVATE},                  /* site local, deprecated */
    {{0xff}, 8, PV_ADDRESS_PRIVATE},                         /* multicast */
};

/* Where an IPv6 address holds an IPv4 address. */
static const struct {
    struct prefix prefix;
    unsigned at;
} holding[] = {
    {{{[10] = 0xff, [11] = 0xff}, 96, 0}, 12}, /* ::ffff:0:0/96, mapped */
    {{{[8] = 0xff, [9] = 0xff}, 96, 0}, 12},   /* ::ffff:0:0:0/96, translated */
    {{{0}, 96, 0}, 12},                        /* ::/96, compatible; ::, ::1 */
    {{{0, 0x64, 0xff, 0x9b}, 96, 0}, 12},      /* 64:ff9b::/96, NAT64 */
    {{{0x20, 0x02}, 16, 0}, 2},                /* 2002::/16, 6to4 */
};

static bool within(const uint8_t *address, const struct prefix *prefix)
{
    unsigned whole = prefix->bits / 8;
    unsigned rest = prefix->bits % 8;
    if (memcmp(address, prefix->bytes, whole) != 0) {
        return false;
    }
    unsigned mask = (0xff00u >> rest) & 0xffu;
    return rest == 0 || ((address[whole] ^ prefix->bytes[whole]) & mask) == 0;
}

static enum pv_address_kind find(const uint8_t *address, const struct prefix *table, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        if (within(address, &table[i])) {
            return table[i].kind;
        }
    }
    return PV_ADDRESS_PUBLIC;
}

static enum pv_address_kind kind_of_v4(const uint8_t *address)
{
    return find(address, v4, sizeof(v4) / sizeof(v4[0]));
}

static enum pv_address_kind kind_of_v6(const uint8_t *address)
{
    for (size_t i = 0; i < sizeof(holding) / sizeof(holding[0]); i++) {
        if (within(address, &holding[i].prefix)) {
            return kind_of_v4(address + holding[i].at);
        }
    }
    return find(address, v6, sizeof(v6) / sizeof(v6[0]));
}

enum pv_address_kind pv_address_kind(const struct sockaddr *address)
{
    if (address->sa_family == AF_INET) {
        struct sockaddr_in in;
        memcpy(&in, address, sizeof(in));
        return kind_of_v4((const uint8_t *)&in.sin_addr);
    }
    if (address->sa_family == AF_INET6) {
        struct sockaddr_in6 in6;
        memcpy(&in6, address, sizeof(in6));
        return kind_of_v6((const uint8_t *)&in6.sin6_addr);
    }
    return PV_ADDRESS_PRIVATE;
}
