%% 64 supervisors of tenants under one: a single one would start tenants one after the other.
-module(tenants).
-behaviour(supervisor).

-export([start_link/2, create/1, alive/0, init/1]).

-define(SHARDS, 64).

%% Every tenant makes its calls with Provider, and runs under these options of gen_statem.
start_link(Provider, Options) ->
    {ok, Top} = supervisor:start_link(?MODULE, {top, Provider, Options}),
    Shards = [{N, Pid} || {N, Pid, _, _} <- supervisor:which_children(Top)],
    {_, Pids} = lists:unzip(lists:sort(Shards)),
    persistent_term:put(?MODULE, list_to_tuple(Pids)),
    {ok, Top}.

create(Id) ->
    Shards = persistent_term:get(?MODULE),
    {ok, Tenant} = supervisor:start_child(element(Id rem ?SHARDS + 1, Shards), [Id]),
    Tenant.

%% How many live.
alive() ->
    Shards = tuple_to_list(persistent_term:get(?MODULE)),
    lists:sum([proplists:get_value(active, supervisor:count_children(Shard)) || Shard <- Shards]).

init({top, Provider, Options}) ->
    Shard = fun(N) ->
        Start = {supervisor, start_link, [?MODULE, {shard, Provider, Options}]},
        #{id => N, start => Start, type => supervisor}
    end,
    {ok, {#{strategy => one_for_one}, [Shard(N) || N <- lists:seq(1, ?SHARDS)]}};
init({shard, Provider, Options}) ->
    Tenant = #{id => tenant, start => {tenant, start_link, [{Provider, Options}]}, restart => transient},
    {ok, {#{strategy => simple_one_for_one}, [Tenant]}}.
