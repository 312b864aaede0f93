-- Runs :statement and prints its seconds, its seconds of CPU in this backend, and
-- by how many MB the peak of this backend's memory grew.
SELECT * FROM bench.usage() \gset before_
\o /dev/null
:statement;
\o
SELECT extract(epoch FROM at - :'before_at'), (ticks - :before_ticks)::float8 / :ticks_per_second,
       (peak_kb - :before_peak_kb) / 1024.0
  FROM bench.usage();
