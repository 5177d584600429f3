/** Why a query or a body is refused, with what the caller reads. No sentence holds anything that was sent. */
export const REASONS = {
  unknown_query_key: 'The query has a parameter that is not known here.',
  unknown_body_key: 'The object has a member that is not known here.',
  missing: 'A required member is missing.',
  wrong_type: 'The value is of the wrong type.',
  out_of_range: 'The number is out of range.',
  empty: 'The value must not be empty.',
  too_many: 'There are too many entries.',
  named_twice: 'A memory is named twice.',
  too_deep: 'The value is nested too deeply.',
  too_large: 'The value is too large.',
  control_character: 'The text holds a control character.',
  not_a_time: 'A time is RFC 3339 with an offset, as 2026-11-01T00:00:00Z.',
  not_a_uuid: 'The value is a UUID in lower case.',
  not_a_choice: 'The value is none of those that are known.',
  not_a_cursor: 'The cursor is not one that this query was given.',
  period_empty: 'The period ends before it begins.',
  not_a_date: 'A date is a calendar day as YYYY-MM-DD.',
  not_a_role: 'A role is a word of at most 32 letters, digits, _ and -.',
  nothing_to_change: 'Give text, metadata or expiration_date.',
  option_unserved: 'A self-hosted Mem0 cannot do this; leave the option out.',
  prompt_refused: 'A prompt of the caller is not passed to the language model; a policy can allow it.',
  body_refused: 'This operation takes no body.',
  body_required: 'This operation takes a JSON object.',
  metadata_key: 'The metadata has a key that is not acceptable.',
  metadata_shadows: 'The metadata key is one of the fields that Mem0 itself keeps.',
  scope_required: 'Give at least one of user_id, agent_id and run_id.',
  ids_differ: 'The id at the top level and the one in the filter differ.',
  filter_operator_on_id: 'An id in a filter is a plain string.',
  filter_nested: 'AND, OR and NOT do not stand inside one another here.',
  filter_siblings: 'Of AND, OR and NOT only one stands in an object; put the others inside it.',
  filter_id_negated: 'An id does not stand inside NOT.',
  filter_scope:
    'Every result must have an id that the filter names: name one beside the rest, or in each branch of an OR.',
  filter_unserved: 'A self-hosted Mem0 keeps nothing to filter by this field.',
  filter_id_inside: 'An id stands at the top of a filter, and not inside AND, OR or NOT.',
  filter_field: 'This field cannot be filtered; only ids and metadata keys can.',
  filter_key: 'A key in a filter is a letter or _ and up to 63 letters, digits, _ and -.',
  filter_operator: 'A condition is a plain value, a list, or an object of known operators.',
  filter_value: 'The value does not fit the operator.',
  id_empty: 'An id must not be empty.',
  id_white_space: 'An id holds no white space.',
  id_control_character: 'An id holds no control or invisible direction characters.',
  id_wildcard: 'A wildcard is not an id.',
  id_malformed: 'An id is well-formed Unicode text.',
  id_too_long: 'An id has at most 256 characters.',
} as const;

export type Reason = keyof typeof REASONS;

/** What is wrong, and where: a JSON pointer (RFC 6901) made of known names and positions only. */
export interface Fault {
  readonly pointer: string;
  readonly reason: Reason;
  readonly detail: string;
}

export type Checked<T> = { readonly ok: true; readonly value: T } | ({ readonly ok: false } & Fault);

export function fault(pointer: string, reason: Reason, more = ''): { readonly ok: false } & Fault {
  return { ok: false, pointer, reason, detail: more ? `${REASONS[reason]} ${more}` : REASONS[reason] };
}
