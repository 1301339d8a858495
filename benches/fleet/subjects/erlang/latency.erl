%% How long it takes from a command to its provider call: first as many commands as 64 clients can give, then an open
%% loop at a share of that, in which a command comes when it is due, whether the last one is over or not.
-module(latency).

-export([run/4]).

%% Parts into which each doubling of a time is divided: percentiles are exact to about 2 %.
-define(PARTS, 64).
-define(OCTAVES, 50).
-define(WARM_UP_US, 500000).

%% Slots is how many tenants there can be at a time: each slot takes one after the other through its life.
run(Slots, Clients, MaximumSeconds, Seconds) ->
    %% When the call of each slot's tenant began.
    Calls = atomics:new(Slots, []),
    Provider = fun(_, Slot) -> atomics:put(Calls, Slot, now_ns()), ok end,
    {ok, _} = tenants:start_link(Provider, []),
    Maximum = closed_loop(Slots, Clients, MaximumSeconds),
    fleet:figure("maximum", "per_second", Maximum),
    Processes = list_to_tuple([spawn_link(fun() -> slot(Slot, Calls) end) || Slot <- lists:seq(1, Slots)]),
    [open_loop(Processes, Percent, Maximum * Percent / 100, Seconds) || Percent <- [10, 50, 90]],
    ok.

%% Commands a second when each of the clients gives the next one when the last one is over.
closed_loop(Slots, Clients, Seconds) ->
    Until = now_ns() + Seconds * 1000000000,
    Count = counters:new(1, [write_concurrency]),
    Began = now_ns(),
    fleet:clients(Clients, fun(Client) -> lives(Client + 1, Slots, Clients, Until, Count) end),
    counters:get(Count, 1) / ((now_ns() - Began) / 1.0e9).

lives(Slot, Slots, Clients, Until, Count) when Slot > Slots ->
    lives(Slot rem Clients + 1, Slots, Clients, Until, Count);
lives(Slot, Slots, Clients, Until, Count) ->
    case now_ns() < Until of
        true ->
            fleet:live(Slot),
            counters:add(Count, 1, 3),
            lives(Slot + Clients, Slots, Clients, Until, Count);
        false ->
            ok
    end.

open_loop(Processes, Percent, Rate, Seconds) ->
    [Call, Settled] = [counters:new(?PARTS * ?OCTAVES, [write_concurrency]) || _ <- [call, settled]],
    Ended = counters:new(1, [write_concurrency]),
    %% Not in messages: each would count its users.
    persistent_term:put({?MODULE, Percent}, {Call, Settled, Ended}),
    {Pid, Monitor} = spawn_opt(fun() -> pace(Processes, Percent, Rate, Seconds) end, [monitor, {priority, high}]),
    receive {'DOWN', Monitor, process, Pid, {given, Given, InTime}} -> ok end,
    fleet:until(fun() -> counters:get(Ended, 1) =:= Given end),
    At = "_at_" ++ integer_to_list(Percent) ++ "_percent",
    fleet:figure("settled_in_time" ++ At, "times", InTime / counted(Settled)),
    [fleet:figure("call_" ++ Name ++ At, "seconds", percentile(Call, Share) / 1.0e9)
     || {Name, Share} <- [{"p50", 0.5}, {"p99", 0.99}, {"p999", 0.999}]],
    fleet:figure("settled_p99" ++ At, "seconds", percentile(Settled, 0.99) / 1.0e9).

%% How many commands were noted in a histogram.
counted(Histogram) -> lists:sum([counters:get(Histogram, Part) || Part <- lists:seq(1, ?PARTS * ?OCTAVES)]).

%% Gives the commands that are due about every millisecond, to one slot after the other. A command's time counts from
%% the moment at which this process gives it, which nothing but the clock delays: it goes before all others.
pace(Processes, Percent, Rate, Seconds) ->
    Began = now_ns(),
    Total = round(Rate * (Seconds + ?WARM_UP_US / 1.0e6)),
    pace(Processes, Percent, Rate, Began, 0, Total).

pace(_, Percent, _, _, Total, Total) ->
    {_, Settled, _} = persistent_term:get({?MODULE, Percent}),
    exit({given, Total, counted(Settled)});
pace(Processes, Percent, Rate, Began, Sent, Total) ->
    receive after 1 -> ok end,
    Now = now_ns(),
    Due = min(Total, trunc((Now - Began) / 1.0e9 * Rate)),
    Counts = Now - Began >= ?WARM_UP_US * 1000,
    give(Processes, {due, Now, Percent, Counts}, Sent, Due),
    pace(Processes, Percent, Rate, Began, Due, Total).

give(_, _, Due, Due) -> ok;
give(Processes, Message, N, Due) ->
    element(N rem tuple_size(Processes) + 1, Processes) ! Message,
    give(Processes, Message, N + 1, Due).

%% Gives the commands of its tenants, the next when the last one is over; the wait counts.
slot(Slot, Calls) -> slot(Slot, Calls, none).

slot(Slot, Calls, Tenant) ->
    receive
        {due, At, Percent, Counts} ->
            Next = command(Slot, Tenant),
            {Call, Settled, Ended} = persistent_term:get({?MODULE, Percent}),
            note(Counts, Call, atomics:get(Calls, Slot) - At),
            note(Counts, Settled, now_ns() - At),
            counters:add(Ended, 1, 1),
            slot(Slot, Calls, Next)
    end.

command(Slot, none) ->
    Tenant = tenants:create(Slot),
    {ok, running} = tenant:provision(Tenant, fleet:spec(Slot, <<"v1">>)),
    {old, Tenant};
command(Slot, {old, Tenant}) ->
    {ok, running} = tenant:update(Tenant, fleet:spec(Slot, <<"v2">>)),
    {updated, Tenant};
command(_, {updated, Tenant}) ->
    {ok, gone} = tenant:destroy(Tenant),
    none.

note(false, _, _) -> ok;
note(true, Histogram, Ns) -> counters:add(Histogram, part_of(Ns), 1).

%% A time's place among the parts: its octave, and the linear part of that.
part_of(Ns) when Ns < ?PARTS -> max(Ns, 0) + 1;
part_of(Ns) ->
    Octave = trunc(math:log2(Ns)),
    Octave * ?PARTS + ((Ns bsl 6) bsr Octave) - ?PARTS + 1.

%% The middle of a part.
time_of(Part) when Part =< ?PARTS -> Part - 1;
time_of(Part) ->
    Octave = (Part - 1) div ?PARTS,
    Linear = (Part - 1) rem ?PARTS,
    (1 bsl Octave) * (?PARTS + Linear + 0.5) / ?PARTS.

percentile(Histogram, Share) ->
    Counts = [{Part, counters:get(Histogram, Part)} || Part <- lists:seq(1, ?PARTS * ?OCTAVES)],
    Total = lists:sum([Count || {_, Count} <- Counts]),
    time_of(reaching(Counts, Share * Total)).

reaching([{Part, Count} | _], Wanted) when Count >= Wanted -> Part;
reaching([{_, Count} | Rest], Wanted) -> reaching(Rest, Wanted - Count).

now_ns() -> erlang:monotonic_time(nanosecond).
