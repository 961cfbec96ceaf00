"""The HTTP API, public and operator's. An inference route has four sections: parse, admit, run, record."""
