-- How a time is read that names no time zone, or has its day before its month, must not depend on the worker.
SELECT set_config('TimeZone', %(time_zone)s, true), set_config('DateStyle', %(date_style)s, true),
       set_config('IntervalStyle', %(interval_style)s, true)
