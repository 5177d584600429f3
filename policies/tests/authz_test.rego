package mem0.authz_test

import rego.v1

import data.mem0.authz

# The table is decisions.json, which OPA puts where its folder says: the one that the committed module is tested with.
table := data.tests.decisions

tenants := {"own": "acme", "other": "globex"}

# Undefined decisions are not right either, which a comparison by != would overlook.
right(request, row) if {
	decision := authz.decision with input as request
	decision == {"allow": row.allow, "reasons": row.reasons, "obligations": table.obligations}
}

test_matrix if {
	wrong := [[role, relation, row.action] |
		some role, relations in table.matrix
		some relation, rows in relations
		some row in rows
		part := {"action": row.action, "roles": [role], "resource_tenant": tenants[relation]}
		not right(object.union(table.base, part), row)
	]
	print(wrong)
	wrong == []
}

changed(row) := row.input

changed(row) := json.remove(object.union(table.base, object.get(row, "set", {})), object.get(row, "unset", [])) if {
	not "input" in object.keys(row)
}

test_cases if {
	wrong := [row |
		some group in table.cases
		some row in group.inputs
		not right(changed(row), group)
	]
	print(wrong)
	wrong == []
}

test_the_table_is_there if {
	count([row | some row in table.matrix[_][_]]) == 70
	count([row | some row in table.cases[_].inputs]) > 100
}

test_roles_come_from_data if {
	decision := authz.decision with input as table.base with data.mem0.roles as {}
	decision == {"allow": false, "reasons": ["no_matching_rule"], "obligations": {}}
}

test_a_role_may_be_added_as_data if {
	other := object.union(table.base, {"roles": ["data-steward"]})
	decision := authz.decision with input as other with data.mem0.roles as {"data-steward": ["read"]}
	decision == {"allow": true, "reasons": ["role_data_steward"], "obligations": {}}
}

# An action that no list of actions knows stays denied, whatever the data grants.
test_data_cannot_add_an_action if {
	other := object.union(table.base, {"action": "reset"})
	decision := authz.decision with input as other with data.mem0.roles as {"agent-reader": ["reset"]}
	decision == {"allow": false, "reasons": ["unknown_action"], "obligations": {}}
}

test_no_input if {
	authz.decision == {"allow": false, "reasons": ["malformed_input"], "obligations": {}}
}
