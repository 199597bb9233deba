"""Rules for tests, written as rules of insights-core are: the same conditions as in rules/*.sql."""
