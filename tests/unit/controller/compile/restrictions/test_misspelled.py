"""Variables that are nearly called as ours, and those of other products, which are none of ours."""

from __future__ import annotations

import re

import pytest
from proscribe.controller.compile.restrictions.misspelled import guess_intended_variable

# Variables of roles and collections that are widely used, and others that only look alike.
OTHERS = re.findall(
    r"\S+",
    """
    ansible_become ansible_host ansible_python_interpreter ansible_ssh_private_key_file
    apache_vhosts certbot_admin_email chrony_ntp_servers common_packages consul_services describe_hosts
    docker_daemon_options docker_users elasticsearch_version firewall_allowed_tcp_ports grafana_security
    haproxy_backend_servers inscribe_zone java_packages keepalived_vrrp_instances kibana_server_host mysql_databases
    nfs_exports nginx_vhosts nodejs_version ntp_timezone openssh_port php_packages postfix_relayhost
    postgresql_databases postgresql_hba_entries prescription_hosts process_exporter_version production_hosts
    profile_d_scripts prometheus_alert_rules prometheus_scrape_configs prometheus_targets promtail_config
    prompt_for_zone properties_file proscribe proscribed_domains proscribed_hosts proscribed_services proscriber_zone
    prosody_vhosts protobuf_version provision_hosts proxmox_hosts proxy_browsers proxy_env proxy_exclude proxy_services
    proxysql_mysql_servers redis_bind_interface resolv_nameservers security_ssh_port snmp_contact subscribe_events
    subscribe_zone sudoers_list sysctl_settings telegraf_outputs timezone transcribe_zone unbound_zones
    unattended_upgrades users_groups vault_proscribe_history acme_proscribe_controls default_proscribe_watch
    proscenium_controls prospector_watch prose_watch procure_hosts process_services_include probe_watch
    provide_hosts project_hosts proof_watch
""",
)


@pytest.mark.parametrize(
    ("written", "meant"),
    [
        ("proscibe_watch", "proscribe_watch"),
        ("Proscribe_watch", "proscribe_watch"),
        ("PROSCRIBE_WATCH", "proscribe_watch"),
        ("prescribe_controls", "proscribe_controls"),
        ("proscribe-controls", "proscribe_controls"),
        ("proscribe.controls", "proscribe_controls"),
        ("proscribecontrols", "proscribe_controls"),
        ("prosribe_contols", "proscribe_controls"),
        ("porscribe_categories", "proscribe_categories"),
        ("proscribe", ""),
        ("proscribe_wacth", ""),  # has the prefix, and is refused for that
    ],
)
def test_a_name_close_to_one_of_ours_is_a_misspelled_one(written: str, meant: str) -> None:
    assert guess_intended_variable(written) == meant


@pytest.mark.parametrize("name", OTHERS)
def test_a_variable_of_another_product_is_none_of_ours(name: str) -> None:
    assert guess_intended_variable(name) == ""
