# The decision that the gateway asks for. Nothing is allowed unless a rule says so, and every answer has a reason.
package mem0.authz

import rego.v1

actions := {"read", "write", "delete", "audit_read", "admin", "self"}

decision := {"allow": allow, "reasons": reasons, "obligations": obligations}

default allow := false

# One deny outweighs every allow.
allow if {
	count(denials) == 0
	count(grants) > 0
}

# Sorted lists: a set has no order of its own in a compiled policy.
reasons := sort([reason | some reason in grants]) if allow

reasons := sort([reason | some reason in denials]) if {
	not allow
	count(denials) > 0
}

reasons := ["no_matching_rule"] if {
	not allow
	count(denials) == 0
}

obligations := {}

denials contains "malformed_input" if not well_formed

denials contains "unknown_action" if {
	well_formed
	not input.action in actions
}

denials contains "no_roles" if {
	well_formed
	count(input.roles) == 0
}

# What is asked for has to be in the tenant that was granted, whatever the role.
denials contains "tenant_mismatch" if {
	well_formed
	input.tenant != input.resource_tenant
}

well_formed if {
	named(input.action)
	named(input.operation)
	named(input.tenant)
	named(input.resource_tenant)
	named(input.resource)
	is_array(input.roles)
	every role in input.roles {
		named(role)
	}
	known(input.context)

	# No rule reads a grant, so one that is presented is refused rather than overlooked.
	is_null(input.grant)
}

# What is known of the circumstances. A place or a TLS version that the platform does not know is null.
known(context) if {
	is_string(context.time)
	is_number(context.time_ms)
	is_boolean(context.mfa)
	text_or_null(context.country)
	text_or_null(context.tls)
}

text_or_null(value) if is_string(value)

text_or_null(value) if is_null(value)

named(value) if {
	is_string(value)
	value != ""
}
