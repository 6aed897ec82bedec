"""Kinetic every hour with Airflow: the tap and a target in one task.

    pip install apache-airflow -r requirements.txt
    cp kinetic.py $AIRFLOW_HOME/dags

Secrets stand in the connection `epicor_kinetic`: the address as its host with `https://`, login
and password, and the API key as `{"api_key": "..."}` in the extra. Airflow masks them in its logs;
the tap gets them by its environment, so that they are in no file and in no process list.

The Airflow variables `kinetic_companies` (`["EPIC06"]`), `kinetic_target` (a command line),
`kinetic_sync` (the path of `sync.sh`) and `kinetic_state` (a file that outlives the worker) say
the rest. The task fails where tap or target fails; a retry goes on from the last STATE.
"""

from datetime import datetime, timedelta, timezone

from airflow.providers.standard.operators.bash import BashOperator
from airflow.sdk import DAG

with DAG(
    "kinetic",
    description="What has changed in Kinetic, into the warehouse",
    schedule="@hourly",
    start_date=datetime(2026, 1, 1, tzinfo=timezone.utc),
    catchup=False,
    max_active_runs=1,  # two runs would share one STATE
    default_args={"retries": 2, "retry_delay": timedelta(minutes=5)},
) as dag:
    BashOperator(
        task_id="sync",
        # The target is a command with its arguments; the paths may hold spaces.
        bash_command='"$KINETIC_SYNC" ENV "$KINETIC_STATE" $KINETIC_TARGET',
        env={
            "KINETIC_SYNC": "{{ var.value.kinetic_sync }}",
            "KINETIC_STATE": "{{ var.value.kinetic_state }}",
            "KINETIC_TARGET": "{{ var.value.kinetic_target }}",
            "TAP_EPICOR_KINETIC_API_URL": "{{ conn.epicor_kinetic.host }}",
            "TAP_EPICOR_KINETIC_COMPANIES": "{{ var.value.kinetic_companies }}",
            "TAP_EPICOR_KINETIC_USERNAME": "{{ conn.epicor_kinetic.login }}",
            "TAP_EPICOR_KINETIC_PASSWORD": "{{ conn.epicor_kinetic.password }}",
            "TAP_EPICOR_KINETIC_API_KEY": "{{ conn.epicor_kinetic.extra_dejson.api_key }}",
        },
        append_env=True,
    )
