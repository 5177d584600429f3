# What each role may do in its own tenant. The table is in data.json; a role that is not in it grants nothing.
package mem0.authz

import rego.v1

grants contains concat("", ["role_", replace(role, "-", "_")]) if {
	some role in input.roles
	is_string(role)
	input.action in data.mem0.roles[role]
}
