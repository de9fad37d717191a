SELECT set_config('session_authorization', current_setting('tsext.session_user'), true),
       set_config('role', current_setting('tsext.role'), true)
