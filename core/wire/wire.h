/* SPDX-License-Identifier: Apache-2.0 */
/* Frames between provostd and a host, over a stream socket: a fixed little-endian header and a
 * payload of fixed fields followed by length-prefixed strings. JSON passes through as bytes.
 * docs/wire.md describes the same for other languages. Any thread; views borrow from the buffer. */
#ifndef PV_WIRE_WIRE_H
#define PV_WIRE_WIRE_H

#include "core/base/buf.h"
#include "core/base/message.h"

#define PV_WIRE_VERSION 1
#define PV_FRAME_HEADER 16 /* u32 payload length, u16 type, u16 reserved (0), u64 call */
#define PV_FRAME_MAX (4u * 1024 * 1024) /* greatest payload */

enum pv_frame_type {
    /* daemon to host */
    PV_F_HELLO = 1,  /* struct pv_wire_hello; the first frame */
    PV_F_STEP = 2,   /* struct pv_wire_step; `call` names it from here on */
    PV_F_QUERY = 3,  /* struct pv_wire_query */
    PV_F_CANCEL = 4, /* no payload: the call's next host call returns "canceled" */
    PV_F_ANSWER = 5, /* struct pv_wire_answer: to an ASK */
    PV_F_LEASE = 6,  /* u64 mono_ms: nothing may be sent to a backend after it (call is 0) */
    PV_F_STOP = 7,   /* no payload: cancel what runs, answer it, exit 0 (call is 0) */
    /* host to daemon */
    PV_F_READY = 64,    /* lstr description: the JSON of `provost plugin describe` */
    PV_F_FAULT = 65,    /* lstr sentence: the module cannot be used; the host then exits 3 */
    PV_F_OUTCOME = 66,  /* struct pv_wire_outcome: of a STEP or QUERY; the call is over */
    PV_F_ASK = 67,      /* struct pv_wire_ask: a host call that the store answers */
    PV_F_PROGRESS = 68, /* i32 percent as u32, lstr text */
    PV_F_LOG = 69,      /* u8 level (enum pv_level), lstr text, masked already */
};

struct pv_frame {
    uint16_t type;
    uint64_t call;
    struct pv_str payload; /* borrowed */
};

/* Begins a frame in out and returns where it starts; pv_frame_end ends it. Errors stick in out. */
size_t pv_frame_begin(struct pv_buf *out, uint16_t type, uint64_t call);
void pv_frame_end(struct pv_buf *out, size_t start);
/* Takes the next whole frame out of `in`. 1: *ret_frame is set and *ret_used bytes are spent;
 * 0: more bytes are needed; PV_ESYNTAX or PV_ETOOBIG: the stream is broken. */
int pv_frame_next(struct pv_str in, struct pv_frame *ret_frame, size_t *ret_used);

struct pv_wire_hello {
    uint32_t version; /* PV_WIRE_VERSION */
    struct pv_str instance;
    struct pv_str module;        /* path of the shared object */
    struct pv_str data_dir;      /* the instance's own folder */
    struct pv_str settings;      /* JSON, checked, with secrets; "" in describing mode */
    struct pv_str callback_base; /* for signal_url: "https://provost.example/v1/operations/" */
    uint32_t max_in_flight;
    uint32_t describe; /* 1: send READY and exit, open nothing */
};

/* Encoders append a whole frame; a failure sticks in out->status. */
void pv_wire_put_hello(struct pv_buf *out, const struct pv_wire_hello *hello);
void pv_wire_put_step(struct pv_buf *out, uint64_t call, const struct pv_wire_step *step);
void pv_wire_put_query(struct pv_buf *out, uint64_t call, const struct pv_wire_query *query);
void pv_wire_put_outcome(struct pv_buf *out, uint64_t call, const struct pv_wire_outcome *outcome);
void pv_wire_put_ask(struct pv_buf *out, uint64_t call, const struct pv_wire_ask *ask);
void pv_wire_put_answer(struct pv_buf *out, uint64_t call, const struct pv_wire_answer *answer);
void pv_wire_put_lease(struct pv_buf *out, int64_t mono_ms);
void pv_wire_put_empty(struct pv_buf *out, uint16_t type, uint64_t call);     /* CANCEL, STOP */
void pv_wire_put_text(struct pv_buf *out, uint16_t type, struct pv_str text); /* READY, FAULT */
void pv_wire_put_progress(struct pv_buf *out, uint64_t call, int32_t percent, struct pv_str text);
void pv_wire_put_log(struct pv_buf *out, uint64_t call, uint8_t level, struct pv_str text);

/* Decoders check every length and every enum; strings borrow from the frame. 0 or PV_ESYNTAX. */
int pv_wire_get_hello(const struct pv_frame *frame, struct pv_wire_hello *ret) PV_MUST_CHECK;
int pv_wire_get_step(const struct pv_frame *frame, struct pv_wire_step *ret) PV_MUST_CHECK;
int pv_wire_get_query(const struct pv_frame *frame, struct pv_wire_query *ret) PV_MUST_CHECK;
int pv_wire_get_outcome(const struct pv_frame *frame, struct pv_wire_outcome *ret) PV_MUST_CHECK;
int pv_wire_get_ask(const struct pv_frame *frame, struct pv_wire_ask *ret) PV_MUST_CHECK;
int pv_wire_get_answer(const struct pv_frame *frame, struct pv_wire_answer *ret) PV_MUST_CHECK;
int pv_wire_get_lease(const struct pv_frame *frame, int64_t *ret_mono_ms) PV_MUST_CHECK;
int pv_wire_get_text(const struct pv_frame *frame, struct pv_str *ret_text) PV_MUST_CHECK;
int pv_wire_get_progress(const struct pv_frame *frame, int32_t *ret_percent,
                         struct pv_str *ret_text) PV_MUST_CHECK;
int pv_wire_get_log(const struct pv_frame *frame, uint8_t *ret_level,
                    struct pv_str *ret_text) PV_MUST_CHECK;

#endif
