SELECT set_config('session_authorization', %(session_user)s, %(local)s), set_config('role', %(role)s, %(local)s)
