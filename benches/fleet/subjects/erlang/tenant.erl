%% A tenant: a gen_statem that takes provision, update and destroy, one at a time, and makes the provider call in a
%% process of its own, so that it can be asked meanwhile.
-module(tenant).
-behaviour(gen_statem).

-export([start_link/2, provision/2, update/2, destroy/1, begin_command/2]).
-export([init/1, callback_mode/0, pending/3, provisioning/3, running/3, updating/3, destroying/3]).

-record(tenant, {id, provider, revision = 0, spec, call, caller}).

%% Options are gen_statem's; Provider is called with (Command, Id).
start_link({Provider, Options}, Id) ->
    gen_statem:start_link(?MODULE, {Id, Provider}, Options).

provision(Tenant, Spec) -> gen_statem:call(Tenant, {provision, Spec}, infinity).
update(Tenant, Spec) -> gen_statem:call(Tenant, {update, Spec}, infinity).
destroy(Tenant) -> gen_statem:call(Tenant, destroy, infinity).

%% The same without waiting for the answer.
begin_command(Tenant, Command) -> gen_statem:send_request(Tenant, Command).

callback_mode() -> state_functions.

init({Id, Provider}) -> {ok, pending, #tenant{id = Id, provider = Provider}}.

pending({call, From}, {provision, Spec}, Tenant) -> call(provisioning, provision, From, Tenant#tenant{spec = Spec});
pending({call, From}, destroy, Tenant) -> call(destroying, destroy, From, Tenant);
pending(Type, _, _) -> refuse(Type).

provisioning(info, {'DOWN', Call, process, _, Result}, Tenant = #tenant{call = Call}) ->
    over(Result, running, Tenant);
provisioning(Type, _, _) -> refuse(Type).

running({call, From}, {update, Spec}, Tenant) -> call(updating, update, From, Tenant#tenant{spec = Spec});
running({call, From}, destroy, Tenant) -> call(destroying, destroy, From, Tenant);
running(Type, _, _) -> refuse(Type).

updating(info, {'DOWN', Call, process, _, Result}, Tenant = #tenant{call = Call}) ->
    over(Result, running, Tenant);
updating(Type, _, _) -> refuse(Type).

destroying(info, {'DOWN', Call, process, _, {done, ok}}, Tenant = #tenant{call = Call, caller = From}) ->
    {stop_and_reply, normal, [{reply, From, {ok, gone}}], Tenant};
destroying(Type, _, _) -> refuse(Type).

%% What the call brings is what its process ends with: one message tells the result, and of a crash too.
call(Next, Command, From, Tenant = #tenant{id = Id, provider = Provider, revision = Revision}) ->
    {_, Call} = spawn_monitor(fun() -> exit({done, Provider(Command, Id)}) end),
    {next_state, Next, Tenant#tenant{call = Call, caller = From, revision = Revision + 1}}.

over({done, ok}, Next, Tenant = #tenant{caller = From, revision = Revision}) ->
    Tenant1 = Tenant#tenant{call = undefined, caller = undefined, revision = Revision + 1},
    {next_state, Next, Tenant1, [{reply, From, {ok, Next}}]}.

refuse({call, From}) -> {keep_state_and_data, [{reply, From, {error, rejected}}]};
refuse(_) -> keep_state_and_data.
