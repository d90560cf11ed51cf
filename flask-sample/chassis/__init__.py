"""What every sample service stands on: settings, database, outbox, errors, the gateway's token, metrics, Consul."""
