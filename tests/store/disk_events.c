/* SPDX-License-Identifier: Apache-2.0 */
/* Events are kept in one array. A disk is worked out by going through them from the start: what is
 * synced goes into a file's image; at the end, each pending event is there, is not, or is in part.
 */
#include "tests/store/disk_events.h"

#include "core/base/clock.h"
#include "tests/store/disk.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define SECTOR 512u
#define MAX_NODES 256u

struct event {
    enum disk_event_kind kind;
    struct disk_node *node;
    char name[64]; /* CREATE, REMOVE; RENAME: the one it takes */
    char from[64]; /* RENAME */
    size_t at;     /* offset; TRUNCATE: size */
    size_t len;
    uint8_t *bytes;
};

static struct event *events;
static size_t event_count;
static size_t event_size;
static size_t settled; /* events before moment 0 */
static struct disk_node *nodes[MAX_NODES];
static size_t node_count;

/* A folder: what its names are those of. */
struct folder {
    struct {
        char name[64];
        struct disk_node *node; /* NULL: the name is free */
    } entries[MAX_NODES];
    size_t count;
};

static struct folder seen; /* as programs see it */

static void must(const void *memory)
{
    if (!memory) {
        fputs("disk: out of memory\n", stderr);
        abort();
    }
}

static struct event *add(enum disk_event_kind kind, struct disk_node *node)
{
    if (event_count == event_size) {
        event_size = event_size ? event_size * 2 : 1024;
        events = realloc(events, event_size * sizeof(*events));
        must(events);
    }
    events[event_count] = (struct event){.kind = kind, .node = node};
    return &events[event_count++];
}

static struct disk_node **entry_of(struct folder *folder, const char *name)
{
    for (size_t i = 0; i < folder->count; i++) {
        if (strcmp(folder->entries[i].name, name) == 0) {
            return &folder->entries[i].node;
        }
    }
    must(folder->count < MAX_NODES ? folder : NULL);
    snprintf(folder->entries[folder->count].name, 64, "%s", name);
    folder->entries[folder->count].node = NULL;
    return &folder->entries[folder->count++].node;
}

static void name_in(struct folder *folder, const struct event *e)
{
    struct disk_node *node = e->kind == DISK_RENAME ? *entry_of(folder, e->from) : e->node;
    if (e->kind == DISK_RENAME) {
        *entry_of(folder, e->from) = NULL;
    }
    *entry_of(folder, e->name) = e->kind == DISK_REMOVE ? NULL : node;
}

struct disk_node *disk_node_find(const char *name)
{
    return *entry_of(&seen, name);
}

static void add_name(enum disk_event_kind kind, struct disk_node *node, const char *from,
                     const char *name)
{
    struct event *e = add(kind, node);
    snprintf(e->name, sizeof(e->name), "%s", name);
    snprintf(e->from, sizeof(e->from), "%s", from);
    name_in(&seen, e);
}

struct disk_node *disk_event_create(const char *name)
{
    struct disk_node *node = calloc(1, sizeof(*node));
    must(node_count < MAX_NODES ? node : NULL);
    snprintf(node->name, sizeof(node->name), "%s", name);
    nodes[node_count++] = node;
    disk_event_link(node, name);
    return node;
}

void disk_event_link(struct disk_node *node, const char *name)
{
    add_name(DISK_CREATE, node, "", name);
}

void disk_event_rename(const char *from, const char *to)
{
    add_name(DISK_RENAME, NULL, from, to);
}

void disk_event_remove(const char *name)
{
    add_name(DISK_REMOVE, NULL, "", name);
}

void disk_event_write(struct disk_node *node, const void *from, size_t len, size_t at)
{
    struct event *e = add(DISK_WRITE, node);
    e->at = at;
    e->len = len;
    e->bytes = malloc(len + 1);
    must(e->bytes);
    memcpy(e->bytes, from, len);
}

void disk_event_truncate(struct disk_node *node, size_t size)
{
    add(DISK_TRUNCATE, node)->at = size;
}

void disk_event_sync(struct disk_node *node, enum disk_event_kind kind)
{
    add(kind, node);
}

void disk_event_folder_sync(void)
{
    add(DISK_FOLDER_SYNC, NULL);
}

void disk_events_settle(void)
{
    settled = event_count;
}

size_t disk_events_count(void)
{
    return event_count - settled;
}

void disk_events_forget(void)
{
    for (size_t i = 0; i < event_count; i++) {
        free(events[i].bytes);
    }
    for (size_t i = 0; i < node_count; i++) {
        free(nodes[i]);
    }
    free(events);
    events = NULL;
    event_count = 0;
    event_size = 0;
    settled = 0;
    node_count = 0;
    seen.count = 0;
}

static bool is_sync(const struct event *e)
{
    return e->kind == DISK_SYNC || e->kind == DISK_SYNC_FAILED;
}

size_t disk_syncs(void)
{
    size_t count = 0;
    for (size_t i = settled; i < event_count; i++) {
        count += is_sync(&events[i]) ? 1 : 0;
    }
    return count;
}

size_t disk_sync_at(size_t n)
{
    for (size_t i = settled; i < event_count; i++) {
        if (is_sync(&events[i]) && n-- == 0) {
            return i - settled + 1;
        }
    }
    return event_count - settled;
}

/* ---- what the disk holds ---- */

/* How much of what is pending the seed lets be there. */
enum whim { NONE, ALL, SOME, SECTORS, FIRST, LAST, WHIMS };

struct luck {
    struct pv_seeded seed;
    struct pv_rng rng;
    enum whim whim;
    bool garbage; /* what was never written in a file that grew holds anything, not zeroes */
};

static bool coin(struct luck *luck)
{
    return pv_rng_below(&luck->rng, 2) == 1;
}

static void grow(struct disk_node *node, size_t size, bool garbage)
{
    if (size > node->size) {
        node->bytes = realloc(node->bytes, size);
        must(node->bytes);
        memset(node->bytes + node->size, garbage ? 0xa5 : 0, size - node->size);
        node->size = size;
    }
}

static void put(struct disk_node *node, const struct event *e, size_t from, size_t len,
                bool garbage)
{
    grow(node, e->at + from + len, garbage);
    memcpy(node->bytes + e->at + from, e->bytes + from, len);
}

static void apply(struct disk_node *node, const struct event *e)
{
    if (e->kind == DISK_WRITE) {
        put(node, e, 0, e->len, false);
    } else {
        grow(node, e->at, false);
        node->size = e->at;
    }
}

/* Each sector of the disk is there or not, by itself. */
static void apply_sectors(struct disk_node *node, const struct event *e, struct luck *luck)
{
    for (size_t from = 0; from < e->len;) {
        size_t len = SECTOR - (e->at + from) % SECTOR;
        len = len < e->len - from ? len : e->len - from;
        if (coin(luck)) {
            put(node, e, from, len, luck->garbage);
        }
        from += len;
    }
}

static bool kept(struct luck *luck, size_t place, size_t count, size_t cut)
{
    switch (luck->whim) {
    case NONE:
        return false;
    case ALL:
        return true;
    case FIRST:
        return place < cut;
    case LAST:
        return place >= cut && count > 0;
    default:
        return coin(luck);
    }
}

static void apply_luck(struct disk_node *node, struct luck *luck)
{
    size_t cut = pv_rng_below(&luck->rng, node->pending_count + 1);
    for (size_t i = 0; i < node->pending_count; i++) {
        const struct event *e = &events[node->pending[i]];
        if (e->kind == DISK_WRITE && (luck->whim == SECTORS || (luck->whim == FIRST && i == cut))) {
            apply_sectors(node, e, luck);
        } else if (kept(luck, i, node->pending_count, cut)) {
            apply(node, e);
        }
    }
    node->pending_count = 0;
}

static void apply_all(struct disk_node *node)
{
    for (size_t i = 0; i < node->pending_count; i++) {
        apply(node, &events[node->pending[i]]);
    }
    node->pending_count = 0;
}

static void write_out(const struct disk_node *node, const char *name, const char *into)
{
    char path[600];
    snprintf(path, sizeof(path), "%s/%s", into, name);
    FILE *file = fopen(path, "w");
    if (!file || fwrite(node->bytes ? node->bytes : (const uint8_t *)"", 1, node->size, file) !=
                     node->size) {
        fprintf(stderr, "disk: %s cannot be written\n", path);
        abort();
    }
    fclose(file);
}

/* Names come and go in order; how far the disk has got with what was not synced is luck. */
static void apply_names(struct folder *folder, const size_t *names, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        name_in(folder, &events[names[i]]);
    }
}

void disk_lose_power(size_t moment, uint64_t seed, const char *into)
{
    struct luck luck;
    luck.seed = (struct pv_seeded){seed * 0x9e3779b97f4a7c15u + moment};
    luck.rng = pv_rng_seeded(&luck.seed);
    luck.whim = (enum whim)pv_rng_below(&luck.rng, WHIMS);
    luck.garbage = coin(&luck);
    size_t end = moment + settled;
    size_t *names = calloc(end + 1, sizeof(*names));
    size_t name_count = 0;
    static struct folder folder;
    folder.count = 0;
    must(names);
    for (size_t i = 0; i < end; i++) {
        const struct event *e = &events[i];
        switch (e->kind) {
        case DISK_CREATE:
        case DISK_REMOVE:
        case DISK_RENAME:
            names[name_count++] = i;
            break;
        case DISK_FOLDER_SYNC:
            apply_names(&folder, names, name_count);
            name_count = 0;
            break;
        case DISK_SYNC:
            apply_all(e->node);
            break;
        case DISK_SYNC_FAILED:
            apply_luck(e->node, &luck);
            break;
        case DISK_WRITE:
        case DISK_TRUNCATE:
            e->node->pending =
                realloc(e->node->pending, (e->node->pending_count + 1) * sizeof(size_t));
            must(e->node->pending);
            e->node->pending[e->node->pending_count++] = i;
            break;
        }
    }
    apply_names(&folder, names, pv_rng_below(&luck.rng, name_count + 1));
    free(names);
    for (size_t i = 0; i < node_count; i++) {
        apply_luck(nodes[i], &luck);
    }
    for (size_t i = 0; i < folder.count; i++) {
        if (folder.entries[i].node) {
            write_out(folder.entries[i].node, folder.entries[i].name, into);
        }
    }
    for (size_t i = 0; i < node_count; i++) {
        free(nodes[i]->bytes);
        free(nodes[i]->pending);
        nodes[i]->bytes = NULL;
        nodes[i]->pending = NULL;
        nodes[i]->size = 0;
    }
}
