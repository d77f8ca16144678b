-- SPDX-License-Identifier: Apache-2.0
-- What is not over is known without an index of operations: it is active in the row of its service, or
-- waiting. Every operation was put into that index when it came, and taken out when it ended.
DROP INDEX operations_live;
CREATE INDEX waiting_op ON waiting (op_n);
