/* SPDX-License-Identifier: Apache-2.0 */
/* A disk that can lose power, under SQLite: a VFS over the system's that writes down what happens
 * to the files of one folder (writes, truncations, syncs, names that come and go), so that
 * afterwards, for any moment, it can be said what a disk may hold then. Everything synced stands;
 * of what was not synced, any part of it, down to sectors. Any thread; one recording at a time. */
#ifndef PV_TESTS_STORE_DISK_H
#define PV_TESTS_STORE_DISK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* What goes wrong with a commit's durability; DISK_HONEST is what a right store and disk do. */
enum disk_variant {
    DISK_HONEST,
    DISK_NORMAL, /* the store asks for synchronous=FULL and gets NORMAL */
    DISK_OFF,    /* … and gets OFF */
    DISK_LIES,   /* the disk says that it has synced, and has not */
};

/* Makes the VFS the default one. Once, before SQLite is used. */
void disk_register(void);
/* Records from now on; what stands in the folder is on the disk. */
void disk_begin(const char *folder, enum disk_variant variant);
/* The recording stops; disk_forget frees it. */
void disk_end(void);
void disk_forget(void);
/* Events so far: the present moment. Power may fail at any moment from 0 to this. */
size_t disk_now(void);
/* Syncs among the events, and the moment just after the n-th, from 0. */
size_t disk_syncs(void);
size_t disk_sync_at(size_t n);
/* Makes in `into` what the disk holds when power fails at that moment. The seed decides what of the
 * unsynced is there. */
void disk_lose_power(size_t moment, uint64_t seed, const char *into);

/* Syncs of files whose name ends so fail with EIO, until disk_heal. What they should have written
 * is taken for written and never is, unless it is written again: as Linux does. */
void disk_break(const char *ending);
/* The n-th sync from now (1: the next) fails once. */
void disk_break_once(size_t n);
/* Writes to files whose name ends so find the disk full, until disk_heal. */
void disk_fill(const char *ending);
void disk_heal(void);
/* Syncs that failed since disk_begin. */
size_t disk_failed(void);
/* Waits until one more has failed than `before`. */
void disk_await_failure(size_t before);

/* Connections that are opened from now on end as with their process: what stands in the log stays
 * there. */
void disk_end_rudely(bool rudely);

/* Calls this once, on the thread that next takes a lock of SQLite's: as a store does where it
 * begins a transaction. */
void disk_at_next_lock(void (*call)(void));

/* Connections opened while this is on, and only those, stand still at their first reads until it is
 * off; and waits until one does. */
void disk_hold_reads(bool hold);
void disk_await_held(void);

#endif
