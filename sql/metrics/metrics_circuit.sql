create or replace view metrics_circuit with (security_invoker = true) as
select c.target, s.state, (c.state = s.state)::integer::double precision as in_state
from delivery_circuit c
cross join (values ('closed'), ('open'), ('half-open')) s (state);

comment on view metrics_circuit is
  'Whether each target is sent to: one row for every state that a circuit can be in.';
comment on column metrics_circuit.target is 'the target';
comment on column metrics_circuit.state is 'closed, open or half-open';
comment on column metrics_circuit.in_state is '1 for the state that the circuit of the target is in, else 0';
