SELECT current_setting('TimeZone') AS time_zone, current_setting('DateStyle') AS date_style,
       current_setting('IntervalStyle') AS interval_style
