-- Which clusters are ours. A cell is a database with the whole product for its share of the clusters; the one
-- row of the table cell has its name and its buckets. bucket_of() gives a cluster one of 256 buckets, owns()
-- says whether that is one of ours. The only database there is owns all of them, and its name is empty: then
-- nothing is filtered. The room fleet, far above, splits a cell; docs/cells.md says when that is worth it.

--!include cell/tables.sql
--!include cell/bucket_of.sql
--!include cell/owns.sql
--!include cell/database_identity.sql
