SELECT EXISTS (
    SELECT FROM pg_cast
    WHERE castsource = %(source)s::regtype AND casttarget = %(target)s::regtype AND castcontext <> 'e'
) AS assignable
