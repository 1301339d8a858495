%% What a child of the fleet benchmark does in Erlang: erl ... -s fleet main -extra MODE key=value ...
%% Prints a figure a line, as JSON, like the children in Rust.
-module(fleet).

-export([main/0, figure/3, clients/2, live/1, spec/2, until/1]).

main() ->
    [Mode | Words] = init:get_plain_arguments(),
    Parameters = maps:from_list([list_to_tuple(string:split(Word, "=")) || Word <- Words]),
    %% Not in the process that starts the system: its heap is not what is measured.
    {Driver, Monitor} = spawn_monitor(fun() -> run(Mode, Parameters) end),
    receive
        {'DOWN', Monitor, process, Driver, normal} ->
            halt(0);
        {'DOWN', Monitor, process, Driver, Why} ->
            io:format(standard_error, "~p~n", [Why]),
            halt(1)
    end.

run("lifecycle", Parameters) ->
    {N, Clients} = {number("tenants", Parameters), number("clients", Parameters)},
    {ok, _} = tenants:start_link(fun returns/2, []),
    Began = now_us(),
    clients(Clients, fun(Client) -> [live(Id) || Id <- lists:seq(Client, N - 1, Clients)], ok end),
    figure("transitions", "per_second", 6 * N / ((now_us() - Began) / 1.0e6));
run("growth", Parameters) ->
    {N, Clients} = {number("tenants", Parameters), number("clients", Parameters)},
    Times = number("times", Parameters),
    {ok, _} = tenants:start_link(fun returns/2, []),
    {Began, Cpu} = {now_us(), cpu_us()},
    [generation(N, Clients) || _ <- lists:seq(1, Times)],
    {Took, Used} = {now_us() - Began, cpu_us() - Cpu},
    Transitions = 6 * N * Times,
    figure("cpu_at_" ++ integer_to_list(N), "seconds", Used / 1.0e6 / Transitions),
    figure("time_at_" ++ integer_to_list(N), "seconds", Took / 1.0e6 / Transitions);
run("memory", Parameters) ->
    {N, Clients} = {number("tenants", Parameters), number("clients", Parameters)},
    Options =
        case maps:get("hibernate", Parameters) of
            "true" -> [{hibernate_after, 100}];
            "false" -> []
        end,
    case maps:get("state", Parameters) of
        "idle" ->
            {ok, _} = tenants:start_link(fun returns/2, Options),
            Empty = resident(),
            clients(Clients, fun(Client) ->
                [provisioned(Id) || Id <- lists:seq(Client, N - 1, Clients)],
                ok
            end),
            N = tenants:alive(),
            %% Until all of them hibernate, and longer.
            timer:sleep(3000),
            figure("idle", "bytes", (resident() - Empty) / N);
        "busy" ->
            Open = counters:new(1, [write_concurrency]),
            Stays = fun(_, _) -> counters:add(Open, 1, 1), receive never -> ok end end,
            {ok, _} = tenants:start_link(Stays, Options),
            Empty = resident(),
            clients(Clients, fun(Client) ->
                [tenant:begin_command(tenants:create(Id), {provision, spec(Id, <<"v1">>)}) || Id <- lists:seq(Client, N - 1, Clients)],
                ok
            end),
            until(fun() -> counters:get(Open, 1) =:= N end),
            timer:sleep(3000),
            figure("busy", "bytes", (resident() - Empty) / N)
    end;
run("latency", Parameters) ->
    {Slots, Clients} = {number("slots", Parameters), number("clients", Parameters)},
    latency:run(Slots, Clients, number("maximum_seconds", Parameters), number("seconds", Parameters)).

%% A provider call that is over at once.
returns(_, _) -> ok.

live(Id) ->
    Tenant = provisioned(Id),
    {ok, running} = tenant:update(Tenant, spec(Id, <<"v2">>)),
    {ok, gone} = tenant:destroy(Tenant).

%% All tenants are provisioned, then all are updated, then all are destroyed.
generation(N, Clients) ->
    Driver = self(),
    Client = fun(Client) ->
        Tenants = [{Id, provisioned(Id)} || Id <- lists:seq(Client, N - 1, Clients)],
        turn(Driver),
        [{ok, running} = tenant:update(Tenant, spec(Id, <<"v2">>)) || {Id, Tenant} <- Tenants],
        turn(Driver),
        [{ok, gone} = tenant:destroy(Tenant) || {_, Tenant} <- Tenants],
        turn(Driver)
    end,
    Started = [spawn_link(fun() -> Client(C) end) || C <- lists:seq(0, Clients - 1)],
    [all(Started) || _ <- [provisioned, updated, destroyed]].

provisioned(Id) ->
    Tenant = tenants:create(Id),
    {ok, running} = tenant:provision(Tenant, spec(Id, <<"v1">>)),
    Tenant.

%% What a command says that the tenant should run: what the engine is given too, though nothing checks it here.
spec(Id, Image) ->
    #{
        tenant_id => <<"tenant-", (integer_to_binary(Id))/binary>>,
        provider_type => <<"noop">>,
        containers => [#{name => <<"web">>, image => Image}],
        resources => #{cpu => 128, memory => 128}
    }.

%% A client has done its part, and waits for the others.
turn(Driver) -> Driver ! {ready, self()}, receive go -> ok end.

all(Clients) ->
    [receive {ready, Client} -> ok end || Client <- Clients],
    [Client ! go || Client <- Clients].

clients(Clients, Work) ->
    Started = [spawn_monitor(fun() -> Work(Client) end) || Client <- lists:seq(0, Clients - 1)],
    [receive {'DOWN', Monitor, process, Pid, Why} -> normal = Why end || {Pid, Monitor} <- Started].

until(Condition) ->
    case Condition() of
        true -> ok;
        false -> timer:sleep(10), until(Condition)
    end.

number(Key, Parameters) -> list_to_integer(maps:get(Key, Parameters)).

now_us() -> erlang:monotonic_time(microsecond).

%% The processor time of all threads, of the kernel too: statistics(runtime) has only that of the user.
cpu_us() ->
    {ok, Stat} = file:read_file("/proc/self/stat"),
    [_, AfterName] = string:split(Stat, ") ", trailing),
    Fields = string:lexemes(AfterName, " "),
    %% The fields 14 and 15 of proc(5), in hundredths of a second.
    (binary_to_integer(lists:nth(12, Fields)) + binary_to_integer(lists:nth(13, Fields))) * 10000.

%% The memory of this process.
resident() ->
    {ok, Statm} = file:read_file("/proc/self/statm"),
    [_, Pages | _] = string:lexemes(Statm, " "),
    binary_to_integer(Pages) * 4096.

figure(Measure, Unit, Value) ->
    io:format("{\"measure\":\"~s\",\"unit\":\"~s\",\"value\":~p}~n", [Measure, Unit, float(Value)]).
