-- What no hand rewrites by mistake: the ledger and the outbox (nobody is notified twice), silences,
-- acknowledgements, rule content and withdrawn policies (every decision can be explained later), and the
-- names of targets and states, which other programs know. tg_guard() is the trigger that refuses; which
-- tables and columns it stands before, triggers.sql says. Functions of ours that delete such rows (retain(),
-- queue_notifications(), import_reported()) say so in their head: `set ccx.rewrite_history = on`. Versions of
-- policies have a stricter guard of their own, tg_policy__history(). given() refuses a missing time, which
-- would be answered with nothing.

--!include guard/tg_guard.sql
--!include guard/given.sql
