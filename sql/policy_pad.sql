-- Times at which answers leave: who may set them, and that they are only tightened.
\set VERBOSITY terse
SET client_min_messages = warning;
CREATE EXTENSION pg_epsilon;
CREATE ROLE regress_pad_steward IN ROLE dp_steward;
CREATE ROLE regress_pad_auditor IN ROLE dp_auditor;
CREATE ROLE regress_pad_other;
SELECT dp.create_dataset('hospital', 1, 1e-9, capacity => 1000) > 0 AS made;

SET ROLE regress_pad_other;
SELECT dp.set_pad('hospital', '1 s');
SELECT * FROM dp.pads;
RESET ROLE;

SET ROLE regress_pad_steward;
SELECT dp.set_pad('nowhere', '1 s');
SELECT dp.set_pad('hospital', NULL);
SELECT dp.set_pad('hospital', '1 ms');
SELECT dp.set_pad('hospital', '2 days');
SELECT dp.set_pad('hospital', '10.5 ms');
SELECT dp.set_pad('hospital', '1 s', '1.5 s');
SELECT dp.set_pad('hospital', '1 s', '65 s');
SELECT dp.set_pad('hospital', '1 s', '0.5 s');
SELECT dp.set_pad('hospital', '500 ms');
SELECT dataset, quantum, deadline, set_by FROM dp.pads;
-- Shorter, or more moments
SELECT dp.set_pad('hospital', '250 ms', '500 ms');
SELECT dp.set_pad('hospital', '500 ms', '2500 ms');
-- Longer, and no more of them
SELECT dp.set_pad('hospital', '1 s', '3 s');
SELECT dp.set_pad('hospital', '1 s', '4 s');
SELECT dp.set_pad('hospital', '30 s', '60 s');
RESET ROLE;

SET ROLE regress_pad_auditor;
SELECT dp.set_pad('hospital', '1 hour', '1 hour');
SELECT dataset, quantum, deadline, set_by FROM dp.pads;
SELECT who, dataset, action, detail FROM dp.policy_log WHERE action LIKE '%pad' ORDER BY at, action;
RESET ROLE;

SET dp.pad = on;
ALTER ROLE regress_pad_other SET dp.pad = off;
DROP ROLE regress_pad_steward, regress_pad_auditor, regress_pad_other;
