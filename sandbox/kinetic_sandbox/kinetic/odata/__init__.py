"""OData version 4 as strictly as the tenant reads it."""
