SELECT set_config('tsext.session_user', session_user::text, false),
       set_config('tsext.role', current_setting('role'), false)
