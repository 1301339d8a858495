module github.com/jaxxstorm/landlord/clients/go

go 1.19
