package mem0.authz_test

import rego.v1

import data.mem0.authz

request(role, action) := {
	"action": action,
	"operation": "oss.memories.get",
	"roles": [role],
	"tenant": "acme",
	"resource_tenant": "acme",
	"resource": "memory /memories/{memory_id}",
	"context": {"time": "2026-01-01T00:00:00Z", "time_ms": 1767225600000, "country": null, "tls": null, "mfa": false},
	"grant": null,
}

may := {
	"admin": {"read", "write", "delete", "audit_read", "admin", "self"},
	"agent-writer": {"read", "write", "self"},
	"agent-reader": {"read", "self"},
	"auditor": {"audit_read", "self"},
}

may_do(allowed, action) if action in allowed

may_do(allowed, action) := false if not action in allowed

test_matrix if {
	every role, allowed in may {
		every action in {"read", "write", "delete", "audit_read", "admin", "self"} {
			decision := authz.decision with input as request(role, action)
			decision.allow == may_do(allowed, action)
		}
	}
}

test_allow_names_the_role if {
	decision := authz.decision with input as request("agent-writer", "write")
	decision == {"allow": true, "reasons": ["role_agent_writer"], "obligations": {}}
}

test_deny_without_a_rule if {
	decision := authz.decision with input as request("agent-reader", "write")
	decision == {"allow": false, "reasons": ["no_matching_rule"], "obligations": {}}
}

test_reasons_are_sorted if {
	both := object.union(request("admin", "read"), {"roles": ["auditor", "agent-writer", "admin"]})
	decision := authz.decision with input as both
	decision.reasons == ["role_admin", "role_agent_writer"]
}

test_another_tenant_is_denied_whatever_the_role if {
	decision := authz.decision with input as object.union(request("admin", "read"), {"resource_tenant": "globex"})
	decision == {"allow": false, "reasons": ["tenant_mismatch"], "obligations": {}}
}

test_no_roles if {
	decision := authz.decision with input as object.union(request("admin", "read"), {"roles": []})
	decision.reasons == ["no_roles"]
}

test_unknown_role if {
	decision := authz.decision with input as request("owner", "read")
	decision.reasons == ["no_matching_rule"]
}

test_unknown_action if {
	decision := authz.decision with input as request("admin", "reset")
	decision.reasons == ["unknown_action"]
}

test_malformed if {
	every part in {{"roles": "admin"}, {"tenant": ""}, {"action": 1}, {"roles": ["admin", 7]}, {"resource": null}} {
		decision := authz.decision with input as object.union(request("admin", "read"), part)
		decision == {"allow": false, "reasons": ["malformed_input"], "obligations": {}}
	}
}

test_no_input if {
	decision := authz.decision with input as {}
	decision.reasons == ["malformed_input"]
}

test_roles_come_from_data if {
	decision := authz.decision with input as request("agent-reader", "read") with data.mem0.roles as {}
	not decision.allow
}
