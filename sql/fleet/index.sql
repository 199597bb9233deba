-- What concerns more than one cell. A cell is split with copies of its database: adopt_cell() makes each copy
-- the cell of some of its buckets, and forgets the clusters of the others, in the tables that
-- ccx.cluster_table lists. Uploads are not split: they stay with one of the copies. Nothing here stands in the
-- way of a message.

--!include fleet/adopt_cell.sql
