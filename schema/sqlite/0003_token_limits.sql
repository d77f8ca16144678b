-- SPDX-License-Identifier: Apache-2.0
-- How often a token may call. 0: as the configuration says; rate -1: without a limit.
ALTER TABLE tokens ADD COLUMN rate INTEGER NOT NULL DEFAULT 0;
ALTER TABLE tokens ADD COLUMN burst INTEGER NOT NULL DEFAULT 0;
