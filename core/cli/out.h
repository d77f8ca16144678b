/* SPDX-License-Identifier: Apache-2.0 */
/* Where and how a command prints: files, colours, width of the terminal; and text that came from
 * elsewhere, made harmless. */
#ifndef PV_CLI_OUT_H
#define PV_CLI_OUT_H

#include "core/base/buf.h"

#include <jansson.h>
#include <stdio.h>

enum pv_tone {
    PV_TONE_PLAIN = 0,
    PV_TONE_GOOD, /* green */
    PV_TONE_BUSY, /* yellow */
    PV_TONE_BAD,  /* red */
    PV_TONE_DIM,
    PV_TONE_BOLD,
};

struct pv_out {
    FILE *file;   /* standard output */
    FILE *errors; /* standard error */
    bool color;   /* of `file` */
    bool json;
    bool quiet;
    bool terminal;
    size_t width; /* columns of the terminal; 0: not a terminal, nothing is cut */
};

/* when: "auto", "always", "never". */
void pv_out_setup(struct pv_out *out, const char *when);

/* Escape sequences; "" without colour. Static storage. */
const char *pv_out_on(const struct pv_out *out, enum pv_tone tone);
const char *pv_out_off(const struct pv_out *out, enum pv_tone tone);
/* How a state, outcome or judgement is shown: "done" is good, "needs_operator" bad. */
enum pv_tone pv_out_tone(const char *word);

/* Appends text with every control character (a terminal would act on it) as a space, and bytes that
 * are not UTF-8 as U+FFFD. */
void pv_text_clean(struct pv_buf *buf, struct pv_str text);
/* Prints text so; ends of lines stay. NULL prints nothing. */
void pv_text_print(FILE *file, const char *text);
/* Columns a terminal needs for clean text. */
size_t pv_text_width(struct pv_str text);
/* Appends text, with its end cut off as "…" where it is wider than `width` columns. */
void pv_text_cut(struct pv_buf *buf, struct pv_str text, size_t width);

/* ---- Tables ---- */

#define PV_TABLE_COLUMNS 12

#define PV_COLUMN_RIGHT (1u << 0)  /* numbers */
#define PV_COLUMN_SHRINK (1u << 1) /* may be cut where the terminal is too narrow */
#define PV_COLUMN_TONE (1u << 2)   /* coloured by pv_out_tone */

struct pv_column {
    const char *title;
    unsigned flags; /* PV_COLUMN_… */
};

struct pv_table {
    const struct pv_column *columns;
    size_t column_count;
    char **cells; /* row by row; owned */
    size_t cell_count;
    size_t size;
    int status;
};

/* columns are borrowed until pv_table_done; at most PV_TABLE_COLUMNS. */
void pv_table_init(struct pv_table *table, const struct pv_column *columns, size_t count);
void pv_table_done(struct pv_table *table);
/* The next cell, row by row; cleaned and copied. Errors stick in table->status. */
void pv_table_cell(struct pv_table *table, struct pv_str text);
void pv_table_cell_c(struct pv_table *table, const char *text);
/* Appends the table with a line of titles. width 0: nothing is cut. Empty trailing columns of a row
 * leave no spaces behind. */
int pv_table_print(const struct pv_table *table, const struct pv_out *out,
                   struct pv_buf *ret_text) PV_MUST_CHECK;

/* ---- Views of JSON ---- */

enum pv_view_kind {
    PV_VIEW_TEXT = 0, /* strings as they are, numbers, true/false; arrays joined by ", " */
    PV_VIEW_TIME,     /* RFC 3339, shown without fraction and "T" */
    PV_VIEW_STATE,    /* coloured */
    PV_VIEW_MS,       /* milliseconds, shown as "350 ms", "12 s", "3 h 20 min" */
    PV_VIEW_BYTES,    /* "12 MiB" */
};

struct pv_view {
    const char *title; /* "STATE" */
    const char *path;  /* "service.state": members, separated by dots; "a|b": the first there is */
    enum pv_view_kind kind;
    unsigned flags; /* PV_COLUMN_… */
};

/* Frees what json_dumps returned. */
void pv_json_release(char *text);
/* The member at a path, or NULL. */
const json_t *pv_json_at(const json_t *object, const char *path);
/* A string member; NULL when it is not there or no string. */
const char *pv_json_text(const json_t *object, const char *path);
/* Appends a value for people; nothing for null and what is missing. */
void pv_view_value(struct pv_buf *buf, const json_t *value, enum pv_view_kind kind);
/* Prints an array of objects as a table; views end with a NULL title. 0 or PV_ENOMEM. */
int pv_view_table(const struct pv_out *out, const json_t *items,
                  const struct pv_view *views) PV_MUST_CHECK;
/* Prints one object as lines of "title  value"; what is missing is left out. */
int pv_view_object(const struct pv_out *out, const json_t *object,
                   const struct pv_view *views) PV_MUST_CHECK;

#endif
