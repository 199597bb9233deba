-- What each rule says: rule_content, one row for each version of a rule and error key, with risk, likelihood,
-- impact, tags and the templates of the texts. load_content() compares a whole content with what is in force,
-- ends the versions that changed and adds the new ones; content_diff shows what it would do. A trigger
-- announces every change, so that processes drop the texts they keep, and asks for new decisions.

--!include content/tables.sql
--!include content/tg_rule_content__announce.sql
--!include content/load_content.sql
--!include content/content_diff.sql
