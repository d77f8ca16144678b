/* SPDX-License-Identifier: Apache-2.0 */
/* What has happened to a folder's files, in order, and what of it a disk may hold. Not locked. */
#ifndef PV_TESTS_STORE_DISK_EVENTS_H
#define PV_TESTS_STORE_DISK_EVENTS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum disk_event_kind {
    DISK_WRITE,
    DISK_TRUNCATE,
    DISK_SYNC,
    DISK_SYNC_FAILED, /* what was not synced is forgotten, and may or may not be on the disk */
    DISK_CREATE,      /* a name for a file, perhaps one more */
    DISK_REMOVE,      /* of a name */
    DISK_RENAME,      /* a name takes the place of another one, at once */
    DISK_FOLDER_SYNC,
};

/* A file, whatever names it has by now. */
struct disk_node {
    char name[64]; /* the first one */
    /* While a disk is worked out: */
    uint8_t *bytes; /* what was synced */
    size_t size;
    size_t *pending; /* events that were not synced */
    size_t pending_count;
};

struct disk_node *disk_node_find(const char *name);
struct disk_node *disk_event_create(const char *name);
void disk_event_link(struct disk_node *node, const char *name);
void disk_event_rename(const char *from, const char *to);
void disk_event_remove(const char *name);
void disk_event_write(struct disk_node *node, const void *from, size_t len, size_t at);
void disk_event_truncate(struct disk_node *node, size_t size);
void disk_event_sync(struct disk_node *node, enum disk_event_kind kind);
void disk_event_folder_sync(void);
/* What has been written down up to here is how it began: moment 0 comes after it. */
void disk_events_settle(void);
size_t disk_events_count(void);
void disk_events_forget(void);

#endif
