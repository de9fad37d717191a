-- Anything may be stored as a string.
SELECT EXISTS (
    SELECT FROM pg_cast
    WHERE castsource = %(source)s::regtype AND casttarget = %(target)s::regtype AND castcontext <> 'e'
) OR EXISTS (SELECT FROM pg_type WHERE oid = %(target)s::regtype AND typcategory = 'S') AS assignable
